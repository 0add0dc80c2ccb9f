//go:build !unix

package torture

import "errors"

// urgent is not available: the case that needs it fails with the reason.
func (c *Client) urgent(byte) error { return errors.ErrUnsupported }

func (p *process) disturb() {}

func (p *process) stop() error { return errors.ErrUnsupported }

func (p *process) goOn() error { return errors.ErrUnsupported }
