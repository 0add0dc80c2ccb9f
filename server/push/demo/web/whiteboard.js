'use strict';
// A whiteboard that everybody draws on: lines and cursors are client events of
// a presence channel, gathered and sent thirty times a second.
const $ = (id) => document.getElementById(id);
const canvas = $('board'), pen = canvas.getContext('2d'), cursors = new Map();
const channel = connect({ name: bird() }).subscribe('presence-whiteboard');
const strokes = []; // all that is on the board: [colour, x, y, x, y, ...]
let here = null, fresh = [], drawing = false;

pen.lineWidth = 5;
pen.lineCap = pen.lineJoin = 'round';

function draw(hue, points) {
  if (!Array.isArray(points) || points.length < 4 || !points.every(Number.isFinite)) return;
  strokes.push([String(hue), ...points]);
  if (strokes.length > 2000) strokes.shift();
  pen.strokeStyle = hue;
  pen.beginPath();
  for (let i = 0; i < points.length; i += 2) pen.lineTo(points[i], points[i + 1]);
  pen.stroke();
}

// Points count in pixels of the canvas, however large it is shown.
function point({ clientX, clientY }) {
  const box = canvas.getBoundingClientRect();
  return [Math.round((clientX - box.left) / box.width * canvas.width), Math.round((clientY - box.top) / box.height * canvas.height)];
}

const mine = () => colour(channel.members.me?.id ?? '');
canvas.onpointerdown = (e) => { drawing = true; fresh = point(e); canvas.setPointerCapture?.(e.pointerId); };
canvas.onpointerup = canvas.onpointercancel = () => { flush(); drawing = false; fresh = []; };
canvas.onpointermove = (e) => {
  here = point(e);
  if (!drawing) return;
  draw(mine(), [...fresh.slice(-2), ...here]);
  fresh.push(...here);
};

function flush() {
  if (!here || !channel.subscribed) return;
  channel.trigger('client-move', { at: here, line: fresh });
  here = null;
  fresh = fresh.slice(-2); // where the next piece begins
}
setInterval(flush, 1000 / 30);

channel.bind('client-move', ({ at, line }, { user_id }) => {
  draw(colour(user_id), line);
  const cursor = cursors.get(user_id) ?? addCursor(user_id);
  if (!cursor || !Array.isArray(at)) return;
  cursor.style.left = at[0] / canvas.width * 100 + '%';
  cursor.style.top = at[1] / canvas.height * 100 + '%';
});

function addCursor(id) {
  const member = channel.members.get(id);
  if (!member) return null;
  const cursor = element('span', member.info.name, 'cursor');
  cursor.style.background = colour(id);
  $('cursors').append(cursor);
  cursors.set(id, cursor);
  return cursor;
}

const count = () => { $('count').textContent = channel.members.count; };
channel.bind('pusher:subscription_succeeded', count);
channel.bind('pusher:subscription_error', ({ error }) => { $('problem').textContent = error; });
channel.bind('pusher:member_removed', ({ id }) => { cursors.get(id)?.remove(); cursors.delete(id); count(); });

// Who comes later gets the board from the one whose id sorts first, piece by piece.
channel.bind('pusher:member_added', ({ id }) => {
  count();
  const first = Object.keys(channel.members.members).filter((other) => other !== id).sort()[0];
  if (first !== channel.members.me.id) return;
  for (let i = 0; i < strokes.length; i += 100) channel.trigger('client-board', { for: id, strokes: strokes.slice(i, i + 100) });
});
channel.bind('client-board', (board) => {
  if (board.for === channel.members.me.id && Array.isArray(board.strokes)) for (const [hue, ...points] of board.strokes) draw(hue, points);
});

function clear() { strokes.length = 0; pen.clearRect(0, 0, canvas.width, canvas.height); }
channel.bind('client-clear', clear);
$('clear').onclick = () => { clear(); channel.trigger('client-clear', {}); };
