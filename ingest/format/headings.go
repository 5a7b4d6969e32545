package format

import (
	"slices"
	"strings"
)

// The columns of the upload file that NHS Notify takes over MESH:
//
//	messageReference,nhsNumber,personalisation_<name>,…
const (
	MESHReference = "messageReference"
	MESHNumber    = "nhsNumber"
	meshPrefix    = "personalisation_"
)

// IsMESH reports whether columns are those of such a file.
func IsMESH(names []string) bool {
	return slices.Contains(names, MESHReference) && slices.Contains(names, MESHNumber)
}

// meshName is the name that such a file gives the column of a field.
func meshName(field string) string {
	if field == NumberField {
		return MESHNumber
	}
	return meshPrefix + field
}

// Personalisation lists the fields that such a file brings, in its order.
func (h Header) Personalisation() (fields []string) {
	for _, name := range h.Names {
		if field, found := strings.CutPrefix(name, meshPrefix); found && field != "" && h.Type == TypeMESH {
			fields = append(fields, field)
		}
	}
	return fields
}

// Reference is the column of the file's own message references, or -1.
func (h Header) Reference() int {
	if h.Type != TypeMESH {
		return -1
	}
	return slices.Index(h.Names, MESHReference)
}

// nbssNumber names the column of the NHS number in an NBSS extract.
const nbssNumber = "NHS Num"

// CanonicalName is the name of a column without what differs between writers: case, spaces,
// underscores, hyphens, and two words that some editions of the NBSS extract misspell.
func CanonicalName(name string) string {
	name = strings.ToLower(strings.NewReplacer(" ", "", "_", "", "-", "").Replace(name))
	name = strings.Replace(name, "epsiode", "episode", 1)
	if rest, found := strings.CutSuffix(name, "orasses"); found {
		name = rest + "orassess"
	}
	return name
}
