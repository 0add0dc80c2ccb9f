'use strict';
// A live score and a ticker: the server publishes, and two cache channels give
// everybody who comes later the last event at once.
const $ = (id) => document.getElementById(id);
const pusher = connect(), prices = new Map();

const score = pusher.subscribe('cache-score');
score.bind('score', ({ home, away, goal }) => {
  set('home', home, goal === 'home');
  set('away', away, goal === 'away');
});
score.bind('pusher:cache_miss', () => { set('home', 0); set('away', 0); });

function set(team, goals, flash = false) {
  $(team).textContent = goals;
  if (flash) $(team).animate([{ scale: 1.35 }, { scale: 1 }], 500);
}

for (const button of document.querySelectorAll('button[data-goal]')) {
  button.onclick = async () => {
    const answer = await fetch('goal', {
      method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ team: button.dataset.goal }),
    });
    $('problem').textContent = answer.ok ? '' : await answer.text();
  };
}

pusher.subscribe('cache-ticker').bind('prices', (all) => {
  for (const [name, price] of Object.entries(all)) {
    const row = prices.get(name) ?? add(name), before = row.history.at(-1) ?? price;
    row.history = [...row.history, price].slice(-60);
    row.price.textContent = price.toFixed(2);
    row.price.className = price > before ? 'up' : price < before ? 'down' : '';
    const low = Math.min(...row.history), high = Math.max(...row.history, low + 0.01);
    row.line.setAttribute('points', row.history.map((p, i) => `${i * 2},${30 - 28 * (p - low) / (high - low)}`).join(' '));
  }
  $('ticks').textContent = Number($('ticks').textContent) + 1;
});

function add(name) {
  const tile = element('li'), price = element('b'), svgNS = 'http://www.w3.org/2000/svg';
  const svg = document.createElementNS(svgNS, 'svg'), line = document.createElementNS(svgNS, 'polyline');
  svg.setAttribute('viewBox', '0 0 120 32');
  svg.setAttribute('preserveAspectRatio', 'none');
  svg.append(line);
  tile.append(element('span', name), price, svg);
  $('prices').append(tile);
  const row = { price, line, history: [] };
  prices.set(name, row);
  return row;
}
