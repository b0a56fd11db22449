"""What `sixfold doctor` looks at: brokers, ClickHouse, tables, files, and what the figures say of themselves."""
