// Segue is a GraphQL gateway for apps whose users live in Clerk and whose data
// lives in PostgreSQL. See README.md, or run: segue --help
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/ai-dj/segue/internal/cli"
)

func main() {
	// The first signal stops in order. From then on a second one has its default
	// effect, and ends the process at once.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	os.Exit(cli.Run(ctx, os.Args[1:], cli.System()))
}
