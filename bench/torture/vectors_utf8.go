package torture

import "fmt"

// vector is a byte sequence with a name.
type vector struct{ name, bytes string }

// validTexts are both ends of every range of RFC 3629, 4, code points that
// programs like to treat specially, and some words.
func validTexts() (all []vector) {
	for _, r := range []rune{
		0x00, 0x7f, 0x80, 0x7ff, 0x800, 0xfff, 0x1000, 0xcfff, 0xd000, 0xd7ff, 0xe000, 0xfeff, 0xfffd, 0xfffe, 0xffff,
		0x10000, 0x1fffe, 0x1ffff, 0x3fffe, 0x3ffff, 0x40000, 0x7fffe, 0x8ffff, 0xffffe, 0xfffff, 0x100000, 0x10fffe, 0x10ffff,
	} {
		all = append(all, vector{fmt.Sprintf("u+%04x", r), string(r)})
	}
	return append(all,
		vector{"words", "Hello-µ@ßöäüàá-UTF-8!!"},
		vector{"greek", "κόσμε"},
		vector{"emoji", "👩‍👩‍👧‍👦 🇪🇺"},
		vector{"hebrew-and-arabic", "שלום سلام"},
		vector{"combining", "e\u0301o\u0308\u0323"},
		vector{"every-length", "a\u00df\u20ac\U0001f600z"},
	)
}

// invalidTexts are the ways in which bytes fail to be UTF-8. Every sequence
// stands between two letters unless its end is the point.
func invalidTexts() (all []vector) {
	add := func(name, b string) { all = append(all, vector{name, "a" + b + "z"}) }

	// Continuation bytes without a beginning.
	for _, b := range []byte{0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf} {
		add(fmt.Sprintf("lone-%02x", b), string([]byte{b}))
	}
	run := ""
	for n := 2; n <= 7; n++ {
		run = ""
		for i := range n {
			run += string([]byte{0x80 + byte(i%2)*0x3f})
		}
		add(fmt.Sprintf("lone-run-%d", n), run)
	}
	add("extra-after-2", "\xc3\xa9\x80")
	add("extra-after-3", "\xe2\x82\xac\x80")
	add("extra-after-4", "\xf0\x9f\x98\x80\x80")

	// First bytes without their continuation: by another letter, by another first byte.
	for _, b := range []byte{0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4} {
		add(fmt.Sprintf("start-%02x", b), string([]byte{b}))
		all = append(all, vector{fmt.Sprintf("start-%02x-at-end", b), "a" + string([]byte{b})})
	}
	for _, s := range []string{"\xe2\x82", "\xf0\x9f", "\xf0\x9f\x98"} {
		add(fmt.Sprintf("short-%x", s), s)
		all = append(all, vector{fmt.Sprintf("short-%x-at-end", s), "a" + s})
		add(fmt.Sprintf("short-%x-twice", s), s+s)
	}

	// Bytes that never occur.
	for _, b := range []byte{0xc0, 0xc1, 0xf5, 0xf8, 0xfb, 0xfc, 0xfd, 0xfe, 0xff} {
		add(fmt.Sprintf("never-%02x", b), string([]byte{b}))
	}
	add("never-fe-ff", "\xfe\xfe\xff\xff")

	// More bytes than needed: the slash, the least and the greatest of each length.
	for _, s := range []string{
		"\xc0\xaf", "\xe0\x80\xaf", "\xf0\x80\x80\xaf", "\xf8\x80\x80\x80\xaf", "\xfc\x80\x80\x80\x80\xaf",
		"\xc0\x80", "\xe0\x80\x80", "\xf0\x80\x80\x80", "\xf8\x80\x80\x80\x80", "\xfc\x80\x80\x80\x80\x80",
		"\xc1\xbf", "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf", "\xf8\x87\xbf\xbf\xbf", "\xfc\x83\xbf\xbf\xbf\xbf",
	} {
		add(fmt.Sprintf("overlong-%x", s), s)
	}

	// UTF-16's surrogates, alone and in pairs.
	for _, s := range []string{
		"\xed\xa0\x80", "\xed\xad\xbf", "\xed\xae\x80", "\xed\xaf\xbf", "\xed\xb0\x80", "\xed\xbe\x80", "\xed\xbf\xbf",
		"\xed\xa0\x80\xed\xb0\x80", "\xed\xad\xbf\xed\xbf\xbf", "\xed\xaf\xbf\xed\xb0\x80",
	} {
		add(fmt.Sprintf("surrogate-%x", s), s)
	}

	// Beyond U+10FFFF.
	for _, s := range []string{
		"\xf4\x90\x80\x80", "\xf4\xbf\xbf\xbf", "\xf5\x80\x80\x80", "\xf7\xbf\xbf\xbf", "\xf8\x88\x80\x80\x80", "\xfb\xbf\xbf\xbf\xbf",
		"\xfc\x84\x80\x80\x80\x80", "\xfd\xbf\xbf\xbf\xbf\xbf",
	} {
		add(fmt.Sprintf("beyond-%x", s), s)
	}
	return all
}
