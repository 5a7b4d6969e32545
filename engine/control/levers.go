package control

import (
	"fmt"
	"os"
	"os/user"
)

func WhoAmI() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return fmt.Sprintf("user %d", os.Getuid())
}
