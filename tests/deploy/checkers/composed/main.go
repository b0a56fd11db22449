// Composed reads a Compose file by the library that Docker Compose reads it by, with all its checks, and prints the
// names of its services: composed FILE.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/compose-spec/compose-go/v2/cli"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "composed: name one Compose file")
		os.Exit(2)
	}
	if err := read(os.Args[1]); err != nil {
		fmt.Fprintf(os.Stderr, "composed: %v\n", err)
		os.Exit(1)
	}
}

func read(file string) error {
	options, err := cli.NewProjectOptions([]string{file}, cli.WithOsEnv)
	if err != nil {
		return err
	}
	project, err := options.LoadProject(context.Background())
	if err != nil {
		return err
	}
	for _, name := range project.ServiceNames() {
		fmt.Println(name)
	}
	return nil
}
