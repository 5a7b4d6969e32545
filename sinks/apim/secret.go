package apim

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// source is the place of a secret. A command goes before a variable, and a variable before a file.
type source struct {
	key     string // of the campaign file, without _file, _env or _command
	file    string
	env     string
	command []string
}

func (c Credentials) apiKeySource() source {
	return source{"api_key", c.APIKeyFile, c.APIKeyEnv, c.APIKeyCommand}
}

func (c Credentials) privateKeySource() source {
	return source{key: "private_key", file: c.PrivateKeyFile, command: c.PrivateKeyCommand}
}

// WhereAPIKey names the place of the API key for people. WherePrivateKey names that of the private key.
func (c Credentials) WhereAPIKey() string     { return c.apiKeySource().String() }
func (c Credentials) WherePrivateKey() string { return c.privateKeySource().String() }

// String never shows the arguments of a command.
func (s source) String() string {
	switch {
	case len(s.command) > 0:
		return s.setting() + " (" + filepath.Base(s.command[0]) + ")"
	case s.env != "":
		return "the environment variable " + s.env
	}
	return s.file
}

// setting is the key of the campaign file that names the place.
func (s source) setting() string {
	switch {
	case len(s.command) > 0:
		return s.key + "_command"
	case s.env != "":
		return s.key + "_env"
	}
	return s.key + "_file"
}

func (s source) read() ([]byte, error) {
	switch {
	case len(s.command) > 0:
		return runForSecret(s.command)
	case s.env != "":
		return []byte(os.Getenv(s.env)), nil
	case strings.HasPrefix(s.file, "$CREDENTIALS_DIRECTORY/"):
		return nil, fmt.Errorf("%s needs the environment variable CREDENTIALS_DIRECTORY, which systemd sets for units with LoadCredential", s.file)
	}
	return os.ReadFile(s.file)
}

const (
	mostSecret  = 64 << 10         // bytes that a command may print
	commandTime = 10 * time.Second // it is killed then, with its children
)

// runForSecret runs a command without a shell and returns what it prints. It has no standard input, and no other open
// file of this process. Errors never have what it prints: standard error may hold the secret too.
func runForSecret(command []string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), commandTime)
	defer cancel()
	// Go marks its own files so. Those that this process inherited may not be.
	_ = unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)
	c := exec.CommandContext(ctx, command[0], command[1:]...)
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // so that its children can be killed with it
	kill := func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	c.Cancel, c.WaitDelay = kill, time.Second
	var secret limited
	var complaints counter
	c.Stdout, c.Stderr = &secret, &complaints
	err := c.Run()
	switch {
	case err == nil:
		return secret.text, nil
	case c.Process == nil:
		return nil, err
	}
	_ = kill()
	switch {
	case secret.cut:
		err = fmt.Errorf("it prints more than %d kB", mostSecret>>10)
	case ctx.Err() != nil:
		err = fmt.Errorf("it did not end within %s and was killed", commandTime)
	case errors.Is(err, exec.ErrWaitDelay):
		err = errors.New("it ended, and a child of it keeps its standard output open")
	}
	return nil, fmt.Errorf("%w; it wrote %d bytes to standard error, which are not shown because they may hold a secret", err, complaints)
}

// limited keeps at most mostSecret bytes. A longer output is an error, which closes the pipe.
type limited struct {
	text []byte
	cut  bool
}

func (l *limited) Write(b []byte) (int, error) {
	if l.cut = l.cut || len(l.text)+len(b) > mostSecret; l.cut {
		return 0, errors.New("too long")
	}
	l.text = append(l.text, b...)
	return len(b), nil
}

// counter counts the bytes that are written to it, and forgets them.
type counter int64

func (c *counter) Write(b []byte) (int, error) {
	*c += counter(len(b))
	return len(b), nil
}
