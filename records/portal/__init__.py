"""The clinician's pages: presenters turn FHIR JSON into what a page shows, views ask the gate and render.

Presenters are pure: they take parsed JSON and a `Setting` (today, zone, language) and touch no database. What
they are given was written by strangers, so they never trust its shape, its length or its characters.
"""
