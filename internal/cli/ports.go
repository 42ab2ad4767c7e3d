package cli

import (
	"errors"
	"syscall"
)

// portTaken reports that another program listens there already.
func portTaken(err error) bool { return errors.Is(err, syscall.EADDRINUSE) }
