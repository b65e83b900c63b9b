import { createHash } from 'node:crypto';

/*
 * The plain page: what `/_lambent/` shows while the console is not built. It reads the API. It is the same for
 * everybody and holds no data, asks no other server for anything, and writes what it shows as text, never as markup.
 * Where the API wants a token, the page asks for it and keeps it in the browser tab only.
 */

const STYLE = `
:root { color-scheme: light dark; --line: #8884; --soft: #888; --good: #1a7f37; --bad: #cf222e; --link: #0969da }
@media (prefers-color-scheme: dark) { :root { --good: #3fb950; --bad: #f85149; --link: #58a6ff } }
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 70rem; padding: 1.5rem; font: 15px/1.5 system-ui, sans-serif; background: Canvas; color: CanvasText }
header { display: flex; flex-wrap: wrap; gap: .5rem 1.5rem; align-items: baseline; border-bottom: 1px solid var(--line) }
h1 { font-size: 1.3rem; margin: 0 0 .5rem } h2 { font-size: 1rem; margin: 1.5rem 0 .5rem }
a { color: var(--link) } nav { display: flex; gap: 1rem; margin-left: auto }
.scroll { overflow-x: auto }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top; white-space: nowrap }
th { font-weight: 600; color: var(--soft) } td.wide { white-space: normal; overflow-wrap: anywhere }
code { font: 13px ui-monospace, monospace } .soft { color: var(--soft) } .good { color: var(--good) } .bad { color: var(--bad) }
form { margin: 1.5rem 0; display: flex; gap: .5rem; flex-wrap: wrap; align-items: center }
input { flex: 1 1 20rem; font: inherit; padding: .3rem .5rem } button { font: inherit; padding: .3rem .8rem }
[hidden] { display: none }
`;

const SCRIPT = `
const api = '/_lambent/api/v1';
const refreshMs = 5000;
const itemsMax = 100000;
const byId = (id) => document.getElementById(id);
const tokenOf = () => sessionStorage.getItem('lambent-token');
async function get(path) {
  const token = tokenOf();
  const response = await fetch(api + path, { headers: token ? { authorization: 'Bearer ' + token } : {} });
  const body = await response.json();
  if (!response.ok) throw Object.assign(new Error(body.error.message + ' ' + body.error.hint), { status: response.status });
  return body;
}
async function all(path) {
  const items = [];
  for (let next = ''; next !== undefined && items.length < itemsMax;) {
    const page = await get(path + (next && '?cursor=' + encodeURIComponent(next)));
    items.push(...page.items);
    next = page.next;
  }
  return items;
}
function cell(text, className) {
  const td = document.createElement('td');
  td.textContent = text;
  if (className) td.className = className;
  return td;
}
function fill(id, rows, empty) {
  const body = byId(id);
  body.replaceChildren(...rows.map((cells) => {
    const tr = document.createElement('tr');
    tr.append(...cells);
    return tr;
  }));
  if (rows.length > 0) return;
  const td = cell(empty, 'soft');
  td.colSpan = 8;
  const tr = document.createElement('tr');
  tr.append(td);
  body.append(tr);
}
const ms = (us) => us < 10000 ? (us / 1000).toFixed(2) + ' ms' : Math.round(us / 1000) + ' ms';
function routeCell(routes) {
  const td = cell('', 'wide');
  for (const route of routes) {
    const line = document.createElement('div');
    const code = document.createElement('code');
    const text = route.method + ' ' + (route.host || '') + route.path;
    if (!route.host && !/[:*]/.test(route.path) && (route.method === 'GET' || route.method === 'ANY')) {
      const link = document.createElement('a');
      link.href = route.path;
      link.textContent = text;
      code.append(link);
    } else code.textContent = text;
    line.append(code);
    td.append(line);
  }
  return td;
}
async function refresh() {
  try {
    const [health, apps, functions, invocations] = await Promise.all([
      get('/health'), all('/apps'), all('/functions'), get('/invocations?limit=25'),
    ]);
    byId('about').textContent = 'version ' + health.version + ', ' + health.mode + ', up ' + Math.round(health.uptimeMs / 1000) + ' s';
    fill('apps', apps.map((app) => [
      cell(app.app),
      cell(app.traffic.map((share) => 'd' + share.number + (share.weight === 100 ? '' : ' ' + share.weight + ' %')).join(', ') || 'not live'),
      cell(String(app.functions)),
    ]), 'No app is deployed yet. Run: npx lambent init');
    fill('functions', functions.map((item) => [
      cell(item.app), cell(item.name), cell('d' + item.deployment), routeCell(item.routes), cell(String(item.instances)),
    ]), 'No function is live.');
    fill('invocations', invocations.items.map((item) => [
      cell(new Date(item.arrivedMs).toLocaleTimeString()),
      cell(item.app + ' ' + item.function),
      cell(item.summary || item.trigger, 'wide'),
      cell(item.status + (item.httpStatus ? ' ' + item.httpStatus : ''), item.status === 'ok' ? 'good' : 'bad'),
      cell(ms(item.runUs) + (item.cold ? ' + start ' + ms(item.startUs) : '')),
    ]), 'Nothing was called yet.');
    byId('content').hidden = false;
    byId('ask').hidden = true;
    byId('problem').hidden = true;
  } catch (error) {
    byId('ask').hidden = error.status !== 401 && error.status !== 429;
    byId('problem').hidden = error.status === 401 && !tokenOf();
    byId('problem').textContent = error.status ? error.message : 'The server does not answer.';
    if (error.status) byId('content').hidden = true;
  }
}
byId('ask').addEventListener('submit', (event) => {
  event.preventDefault();
  sessionStorage.setItem('lambent-token', byId('token').value.trim());
  byId('token').value = '';
  refresh();
});
refresh();
setInterval(() => { if (!document.hidden && byId('ask').hidden) refresh(); }, refreshMs);
`;

/** The whole page. */
export const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Lambent</title>
<link rel="icon" href="data:,">
<style>${STYLE}</style>
</head>
<body>
<header>
<h1>Lambent</h1>
<span id="about" class="soft"></span>
<nav><a href="/_lambent/api/openapi.json">OpenAPI</a> <a href="/_lambent/metrics">Metrics</a></nav>
</header>
<main>
<p class="soft" role="status">This is the plain page: the console is not built yet. Reload in a moment; if it stays, the server's terminal says why.</p>
<noscript><p>This page reads the API with a script. Without scripts, use <code>lambent ls</code>.</p></noscript>
<form id="ask" hidden>
<label for="token">Token</label>
<input id="token" type="password" autocomplete="off" spellcheck="false" required>
<button>Show</button>
</form>
<p id="problem" class="bad" role="alert" hidden></p>
<div id="content" hidden>
<h2>Apps</h2>
<div class="scroll"><table><thead><tr><th>App</th><th>Live</th><th>Functions</th></tr></thead><tbody id="apps"></tbody></table></div>
<h2>Functions</h2>
<div class="scroll"><table><thead><tr><th>App</th><th>Function</th><th>Deployment</th><th>Routes</th><th>Instances</th></tr></thead><tbody id="functions"></tbody></table></div>
<h2>Recent invocations</h2>
<div class="scroll"><table><thead><tr><th>Time</th><th>Function</th><th>Call</th><th>Outcome</th><th>Run time</th></tr></thead><tbody id="invocations"></tbody></table></div>
</div>
</main>
<script>${SCRIPT}</script>
</body>
</html>
`;

const hashOf = (source: string): string =>
  `'sha256-${createHash('sha256').update(source, 'utf8').digest('base64')}'`;

/** Only this very script and style run; nothing is loaded from, sent to, or framed by anyone else. */
export const PAGE_HEADERS: Record<string, string> = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy': [
    "default-src 'none'",
    `script-src ${hashOf(SCRIPT)}`,
    `style-src ${hashOf(STYLE)}`,
    "connect-src 'self'",
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
};
