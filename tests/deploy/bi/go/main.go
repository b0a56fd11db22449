// What Grafana's ClickHouse plugin does with the driver it is built on: connect over HTTP as it does, run queries.
// Reads {"name": .., "sql": ..} a line, writes {"name": .., "rows": .., "columns": [..], "error": ..} a line.
// usage: client HOST PORT DATABASE USER, with the password in the variable PASSWORD
package main

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

type question struct {
	Name string `json:"name"`
	SQL  string `json:"sql"`
}

type answer struct {
	Name    string   `json:"name"`
	Rows    int      `json:"rows"`
	Columns []string `json:"columns"`
	Error   string   `json:"error"`
}

func main() {
	db := clickhouse.OpenDB(&clickhouse.Options{
		Addr:        []string{os.Args[1] + ":" + os.Args[2]},
		Auth:        clickhouse.Auth{Database: os.Args[3], Username: os.Args[4], Password: os.Getenv("PASSWORD")},
		Compression: &clickhouse.Compression{Method: clickhouse.CompressionGZIP},
		DialTimeout: 10 * time.Second,
		ReadTimeout: 60 * time.Second,
		Protocol:    clickhouse.HTTP,
	})
	ctx := clickhouse.Context(context.Background(), clickhouse.WithUserLocation(time.UTC))
	if err := db.PingContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(make([]byte, 1<<20), 1<<22)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var asked question
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			panic(err)
		}
		said := answer{Name: asked.Name}
		if err := run(ctx, db, asked.SQL, &said); err != nil {
			said.Error = err.Error()
		}
		if err := out.Encode(said); err != nil {
			panic(err)
		}
	}
}

func run(ctx context.Context, db *sql.DB, text string, said *answer) error {
	rows, err := db.QueryContext(ctx, text)
	if err != nil {
		return err
	}
	defer rows.Close()
	if said.Columns, err = rows.Columns(); err != nil {
		return err
	}
	for rows.Next() {
		values := make([]any, len(said.Columns))
		for i := range values {
			values[i] = new(any)
		}
		if err := rows.Scan(values...); err != nil {
			return err
		}
		said.Rows++
	}
	return rows.Err()
}
