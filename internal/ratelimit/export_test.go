package ratelimit

// AskAtOnce has a Limiter ask Redis again at once instead of after a pause.
func (l *Limiter) AskAtOnce() { l.shared.pause = 0 }
