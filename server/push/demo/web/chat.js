'use strict';
// A chat: a presence channel says who is here, client events carry what they say.
const $ = (id) => document.getElementById(id);
let channel, typed = 0;

$('name').value = sessionStorage.name || bird();
$('join').onsubmit = (submit) => {
  submit.preventDefault();
  sessionStorage.name = $('name').value;
  channel = connect({ name: $('name').value }).subscribe('presence-chat');
  channel.bind('pusher:subscription_succeeded', () => {
    $('join').hidden = true;
    $('room').hidden = false;
    $('text').focus();
    members();
  });
  channel.bind('pusher:subscription_error', ({ error }) => { $('problem').textContent = error; });
  channel.bind('pusher:member_added', (member) => { note(`${member.info.name} came in`); members(); });
  channel.bind('pusher:member_removed', (member) => { note(`${member.info.name} left`); members(); });
  // The server says who sent it: user_id is not the sender's to choose.
  channel.bind('client-message', ({ text }, { user_id }) => { show(channel.members.get(user_id), String(text)); $('typing').textContent = ''; });
  channel.bind('client-typing', (_, { user_id }) => {
    $('typing').textContent = `${channel.members.get(user_id)?.info.name} is typing …`;
    clearTimeout(typed);
    typed = setTimeout(() => { $('typing').textContent = ''; }, 3000);
  });
};

function members() {
  const all = [];
  channel.members.each((member) => {
    const row = element('li', member.info.name + (member.id === channel.members.me.id ? ' (you)' : ''));
    row.style.borderColor = colour(member.id);
    all.push(row);
  });
  $('members').replaceChildren(...all);
}

function show(member, text) {
  if (!member) return; // has left meanwhile
  const row = element('li'), who = element('b', member.info.name);
  who.style.color = colour(member.id);
  row.append(who, element('span', text));
  add(row);
}

function note(text) { add(element('li', text, 'soft')); }

function add(row) {
  $('messages').append(row);
  while ($('messages').children.length > 200) $('messages').firstChild.remove();
  row.scrollIntoView({ block: 'nearest' });
}

$('say').onsubmit = (submit) => {
  submit.preventDefault();
  const text = $('text').value.trim();
  if (!text || !channel.trigger('client-message', { text })) return;
  show(channel.members.me, text); // one's own events do not come back
  $('text').value = '';
};

let told = 0;
$('text').oninput = () => {
  if (Date.now() - told < 1000) return;
  told = Date.now();
  channel.trigger('client-typing', {});
};
