// Package campaign reads campaign.yaml: the cohort's columns, the message, the service, and the pace.
//
// Every key is either frozen or changeable. A frozen key shapes the messages or their identity; it is written into the
// plan, and a resume under another value is refused by the key's name (Campaign.Frozen). A changeable key may differ
// from one start to the next. docs/campaign.md says which is which.
//
// Nothing is ignored: an unknown key is refused with its name and line, and so is a
// key that the format has but this version does not act on yet.
package campaign
