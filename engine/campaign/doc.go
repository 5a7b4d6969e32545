// Package campaign reads campaign.yaml: the cohort, the messages, the service and the pace.
//
// Every key is either frozen or changeable. A frozen key shapes the messages or their identity.
// The plan has its value, and a resume with another value is refused (Campaign.Frozen). A
// changeable key may differ between starts. README has the table.
//
// Nothing is ignored: an unknown key is refused with its name and line, and so is a key that
// this version does not support yet.
package campaign
