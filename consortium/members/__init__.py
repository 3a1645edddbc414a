"""Who we are: node identity and keys, organisations, people, roles and care teams."""
