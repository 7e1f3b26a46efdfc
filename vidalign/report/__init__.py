"""What was found, as data, tables, figures and pages."""
