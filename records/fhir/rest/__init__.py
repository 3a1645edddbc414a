"""FHIR's RESTful API at /fhir: HTTP on one side, the gate and the store on the other."""
