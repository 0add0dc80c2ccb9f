package handshake

// Scanner looks for the end of a request head in bytes that arrive piece by
// piece. It remembers how far it got, so a head that comes byte by byte costs no
// more than one that comes whole. The zero value is ready; one Scanner serves
// one head.
type Scanner struct {
	at    int   // bytes that were looked at
	start int   // where the current line, or word of the request line, begins
	lines int   // lines that ended
	word  uint8 // of the request line: wordMethod, wordTarget, wordVersion
}

const (
	wordMethod = iota
	wordTarget
	wordVersion
)

// Scan is given everything that was received so far. n > 0 says that the head
// is b[:n]; n == 0 that more must come. It refuses at the first byte that cannot
// be part of a head within the limits, whatever the pieces were.
func (s *Scanner) Scan(b []byte, lim Limits) (n int, refusal *Refusal) {
	lim = lim.orDefault()
	in := b[:min(len(b), lim.Bytes)]
	for s.at < len(in) {
		if s.lines == 0 {
			refusal = s.scanRequestLine(in, lim)
		} else {
			n, refusal = s.scanFieldLine(in, lim)
		}
		if refusal != nil || n > 0 {
			return n, refusal
		}
		if s.at == len(in)-1 && in[s.at] == '\r' {
			break // the LF is still to come
		}
	}
	if len(b) >= lim.Bytes {
		return 0, refuseHeadSize
	}
	return 0, nil
}

// scanRequestLine goes on to the end of the request line or of the input.
// "request-line = method SP request-target SP HTTP-version". RFC 9112, 3.
func (s *Scanner) scanRequestLine(in []byte, lim Limits) *Refusal {
	for ; s.at < len(in); s.at++ {
		c := in[s.at]
		switch {
		case s.word == wordMethod && chars[c]&charToken != 0:
		case s.word == wordTarget && chars[c]&charVisible != 0:
			if s.at-s.start >= lim.Target {
				return refuseTargetSize
			}
		case s.word == wordVersion && chars[c]&charVisible != 0:
		case c == ' ' && s.word < wordVersion && s.at > s.start:
			s.word++
			s.start = s.at + 1
		case c == '\r' && s.word == wordVersion:
			if s.at+1 == len(in) {
				return nil
			}
			if in[s.at+1] != '\n' {
				return refuseSyntax
			}
			if refusal := checkVersion(in[:s.at], in[s.start:s.at]); refusal != nil {
				return refusal
			}
			s.nextLine()
			return nil
		default:
			return refuseSyntax
		}
	}
	return nil
}

// scanFieldLine goes on to the end of the field line or of the input, or says
// where the head ends.
func (s *Scanner) scanFieldLine(in []byte, lim Limits) (n int, refusal *Refusal) {
	if s.at == s.start && in[s.at] != '\r' {
		// A line that begins with white space continues the one before it, or is
		// hidden from those who think so: "A server that receives an obs-fold in a
		// request message MUST either reject the message" (RFC 9112, 5.2).
		if in[s.at] == ' ' || in[s.at] == '\t' {
			return 0, refuseSyntax
		}
		if s.lines > lim.Fields {
			return 0, refuseHeadSize
		}
	}
	at := s.at
	for at < len(in) && chars[in[at]]&charField != 0 {
		at++
	}
	s.at = at
	switch {
	case at == len(in):
		return 0, nil
	case in[at] != '\r':
		return 0, refuseSyntax
	case at+1 == len(in):
		return 0, nil
	case in[at+1] != '\n':
		return 0, refuseSyntax
	case at == s.start:
		return at + len("\r\n"), nil
	}
	s.nextLine()
	return 0, nil
}

func (s *Scanner) nextLine() {
	s.at += len("\r\n")
	s.start = s.at
	s.lines++
}

// checkVersion checks the last word of a request line.
func checkVersion(line, version []byte) *Refusal {
	if len(version) != len("HTTP/1.1") || string(version[:5]) != "HTTP/" || version[6] != '.' ||
		!isDigits(version[5:6]) || !isDigits(version[7:8]) {
		return refuseSyntax
	}
	switch {
	case version[5] == '1' && version[7] <= '1':
		return nil
	case string(line) == "PRI * HTTP/2.0": // an HTTP/2 client reads no HTTP/1.1 status
		return refuseSyntax
	}
	return refuseHTTPVersion
}
