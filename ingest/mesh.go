package ingest

import (
	"slices"
	"strings"
)

// The columns of the upload file that NHS Notify takes over MESH:
//
//	messageReference,nhsNumber,personalisation_<name>,…
const (
	meshReference = "messageReference"
	meshNumber    = "nhsNumber"
	meshPrefix    = "personalisation_"
)

func isMESH(names []string) bool {
	return slices.Contains(names, meshReference) && slices.Contains(names, meshNumber)
}

// meshName is the header under which such a file has a field.
func meshName(field string) string {
	if field == numberField {
		return meshNumber
	}
	return meshPrefix + field
}

// personalisation lists the fields that such a file brings, in its order.
func (h header) personalisation() (fields []string) {
	for _, name := range h.names {
		if field, found := strings.CutPrefix(name, meshPrefix); found && field != "" && h.kind == typeMESH {
			fields = append(fields, field)
		}
	}
	return fields
}

// reference is the column of the file's own message references, or -1.
func (h header) reference() int {
	if h.kind != typeMESH {
		return -1
	}
	return slices.Index(h.names, meshReference)
}
