"""bizday's engine: governed processes on SpiffWorkflow, without any web framework."""
