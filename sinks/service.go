package sinks

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"cohort/engine"
	"cohort/engine/build"
	"cohort/engine/campaign"
	"cohort/engine/refusal"
	"cohort/sinks/apim"
	"cohort/sinks/nhsapp"
	"cohort/sinks/notify"
	"cohort/sinks/simulator"
)

// Service is a sink as a run uses it.
type Service interface {
	engine.Sink
	Limits() engine.Limits           // of one request
	Check(ctx context.Context) error // gets a token and an answer, and sends no message
}

// CalledBy is the name of the campaign's service for people.
func CalledBy(c *campaign.Campaign) string {
	if c.NHSApp != nil {
		return "the NHS App"
	}
	return "NHS Notify" // nobody waits for files
}

// mostConnections is the number of connections that stay open. The engine never has more requests
// under way.
const mostConnections = 256

// Open makes the campaign's sink. It reads and sends nothing yet. Files have no tokens.
func Open(c *campaign.Campaign, fields []string) (Service, *apim.Tokens, error) {
	if c.File != nil {
		sink, err := NewFiles(c, fields)
		return sink, nil, err
	}
	client, tokens, err := SignIn(c, mostConnections)
	if err != nil {
		return nil, nil, err
	}
	sink, err := newSink(c, fields, client, tokens)
	return sink, tokens, err
}

// SignIn makes the client and the tokens for the campaign's service. It reads only ca_file yet.
func SignIn(c *campaign.Campaign, connections int) (*http.Client, *apim.Tokens, error) {
	at := c.Access()
	client, err := apim.Client(at.CAFile, connections)
	if err != nil {
		return nil, nil, refusal.New("ca_file_unusable", "cause", err)
	}
	return client, apim.NewTokens(apim.Options{TokenURL: at.TokenURL, Credentials: CredentialsOf(c), Client: client}), nil
}

// CredentialsOf returns the credentials of the campaign's application.
func CredentialsOf(c *campaign.Campaign) apim.Credentials {
	at := c.Access()
	return apim.Credentials{
		APIKeyFile: at.APIKeyFile, APIKeyEnv: at.APIKeyEnv, APIKeyCommand: at.APIKeyCommand, KeyID: at.KeyID,
		PrivateKeyFile: at.PrivateKeyFile, PrivateKeyCommand: at.PrivateKeyCommand,
	}
}

// Measuring makes a sink that renders messages as the campaign's sink does. It needs no keys, and
// cannot send.
func Measuring(c *campaign.Campaign, fields []string) (Service, error) {
	if c.File != nil {
		return NewFiles(c, fields)
	}
	return newSink(c, fields, &http.Client{}, nil)
}

func newSink(c *campaign.Campaign, fields []string, client *http.Client, tokens *apim.Tokens) (Service, error) {
	if n := c.NHSApp; n != nil {
		o := nhsapp.Options{BaseURL: n.BaseURL, ODSCode: n.ODSCode, OnBehalfOf: n.OnBehalfOf, CampaignID: n.CampaignID, Client: client, Tokens: tokens}
		if n.Reply != nil {
			o.Reply = &nhsapp.Reply{Answers: n.Reply.Options}
		}
		for _, way := range c.ByRoute() {
			var err error
			if o.Content, o.Push, err = messageOf(way, fields); err != nil {
				return nil, err
			}
			if key, problem := o.Mistake(); key != "" {
				return nil, refusal.New("nhsapp_setting_wrong", "cause", way.Mistake("sink.nhsapp."+key, problem))
			}
			o.Routes = append(o.Routes, nhsapp.Route{Content: o.Content, Push: o.Push})
		}
		return nhsapp.New(o), nil
	}
	routes, err := notify.CompileRoutes(c, fields)
	if err != nil {
		return nil, refusal.New("routes_unusable", "cause", err)
	}
	details, err := notify.CompileDetails(c, fields)
	if err != nil {
		return nil, refusal.New("contact_details_unusable", "cause", err)
	}
	return notify.New(notify.Options{
		BaseURL: c.Notify.BaseURL, ODSCode: c.Notify.ODSCode, Routes: routes, Details: details,
		Single: c.Notify.Endpoint == campaign.Messages, Client: client, Tokens: tokens,
		Limits: engine.Limits{Messages: c.Notify.Batch.MaxMessages, Bytes: c.Notify.Batch.MaxBytes}.Smooth(c.Pace.EvenRate(), c.Notify.Batch.Smoothing),
	}), nil
}

// messageOf makes the NHS App message of a campaign: in-app content, or a push notification.
func messageOf(c *campaign.Campaign, fields []string) (content engine.Template, push *nhsapp.Push, err error) {
	if p := c.NHSApp.Push; p != nil {
		push = &nhsapp.Push{Display: p.Display, Reference: p.Reference}
	}
	for _, t := range c.Wording() {
		if content, err = engine.CompileTemplate(t.Text, fields); err != nil {
			return content, nil, refusal.New("text_unusable", "cause", c.Mistake(t.Key, "cannot be used: "+err.Error()))
		}
	}
	return content, push, nil
}

// FieldsOf returns, sorted, the columns that the messages of all routes need, and the column of app
// users if the campaign has it.
func FieldsOf(c *campaign.Campaign) ([]string, error) {
	var fields []string
	for _, way := range c.ByRoute() {
		for _, t := range way.Texts() {
			names, err := engine.Placeholders(t.Text)
			if err == nil && slices.Contains(names, "nhs_number") {
				err = errors.New("an NHS number may not be in a message")
			}
			if err != nil {
				return nil, refusal.New("text_not_fillable", "cause", way.Mistake(t.Key, "cannot be filled in: "+err.Error()))
			}
			fields = append(fields, names...)
		}
	}
	if c.Reach != nil {
		fields = append(fields, campaign.AppColumn)
	}
	slices.Sort(fields)
	return slices.Compact(fields), nil
}

// Embed starts a simulator in this process, and points the campaign to it. stop ends it.
func Embed(c *campaign.Campaign) (stop func(), err error) {
	s, err := simulator.Embed(build.Version())
	if err != nil {
		return nil, refusal.New("simulator_not_started", "cause", err)
	}
	n := c.Access()
	*n = campaign.Access{BaseURL: s.NotifyURL, TokenURL: s.TokenURL, APIKeyFile: s.APIKeyFile, KeyID: s.KeyID, PrivateKeyFile: s.PrivateKeyFile}
	if c.NHSApp != nil {
		n.BaseURL = s.NHSAppURL
	}
	return s.Close, nil
}
