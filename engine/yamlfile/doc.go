// Package yamlfile reads a YAML file strictly into a struct: it refuses unknown keys, values of the wrong type, anchors
// and tags. Its errors are plain sentences with file, line and key, and never messages of the YAML library.
package yamlfile
