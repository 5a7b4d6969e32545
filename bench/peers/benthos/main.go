// Benthos-peer is the core of Redpanda Connect (Benthos) with the components that a
// pipeline from a CSV file to an HTTP service needs: `benthos-peer run single.yaml`.
package main

import (
	"context"

	_ "github.com/redpanda-data/benthos/v4/public/components/io"
	_ "github.com/redpanda-data/benthos/v4/public/components/pure"
	"github.com/redpanda-data/benthos/v4/public/service"
)

func main() { service.RunCLI(context.Background()) }
