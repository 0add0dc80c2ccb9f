// Package rawjson checks JSON text and cuts it into values without decoding it.
//
// A push backend forwards what publishers wrote. It has to know that a text is
// JSON, and where in it the event's name and data stand; it must not write them
// anew, because a publisher's bytes are signed, encrypted or compared further
// down. So a Value is a view into the text, checked once and then trusted.
//
// Input is hostile: text is read once from left to right, nesting is bounded,
// and nothing is allocated in proportion to what the text announces. The package
// does no I/O and knows nothing of events or channels.
package rawjson
