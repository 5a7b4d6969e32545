package main

import "fmt"

// store keeps records. It belongs to one goroutine.
type store interface {
	// put makes records durable, all or none. A later value of a key takes the place of
	// an earlier one.
	put([]record) error
	// each calls fn with every record in the order of the keys. The value is valid until
	// fn returns.
	each(fn func(key int64, value []byte) error) error
	close() error
}

// open opens the store in a folder, or makes it. Without durable what is put may be lost
// with the machine until the store is closed: for filling.
func open(engine, folder string, durable bool) (store, error) {
	switch engine {
	case "bbolt":
		return openBolt(folder, durable)
	case "sqlite":
		return openSQLite(folder, durable)
	}
	return nil, fmt.Errorf("there is no engine %q; there are bbolt and sqlite", engine)
}
