export const page = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Hello from Lambent</title>
<style>
  :root { color-scheme: light dark; --glow: #f2a33a; }
  body { font: 1rem/1.5 system-ui, sans-serif; max-width: 38rem; margin: 12vh auto; padding: 0 1rem; }
  h1 { font-weight: 600; letter-spacing: -0.02em; text-shadow: 0 0 1.2rem var(--glow); }
  section { display: flex; gap: 0.8rem; align-items: baseline; padding: 0.8rem 0; border-top: 1px solid #8884; }
  section > :first-child { flex: 0 0 9rem; }
  output { font-variant-numeric: tabular-nums; font-weight: 600; }
  button, input { font: inherit; padding: 0.1rem 0.6rem; border-radius: 0.4rem; border: 1px solid #8888; }
  input { width: 8rem; }
  code { opacity: 0.7; }
</style>
<h1>Hello from Lambent</h1>
<p>Small functions and a workflow answer on this page. Open <code>examples/hello/</code>, change one, and save.</p>
<section><span>Greet <code>/greet/:name</code></span>
  <form><input name="name" value="world" aria-label="Name"> <button>Greet</button></form><output id="greeting"></output></section>
<section><span>Roll <code>/dice</code></span><button id="roll">Roll the dice</button><output id="rolled"></output></section>
<section><span>Brew <code>/tea</code></span><button id="brew">Make tea</button><output id="tea"></output></section>
<section><span>Listen <code>/ticks</code></span><output id="tick">connecting …</output></section>
<p><a href="/_lambent/">What the platform sees</a></p>
<script>
  const show = (id, text) => { document.getElementById(id).value = text; };
  document.querySelector('form').addEventListener('submit', async (event) => {
    event.preventDefault();
    const name = new FormData(event.target).get('name') || 'you';
    show('greeting', (await (await fetch('/greet/' + encodeURIComponent(name))).json()).text);
  });
  document.getElementById('roll').addEventListener('click', async () => {
    const response = await fetch('/dice', { method: 'POST', body: JSON.stringify({ sides: 6 }) });
    show('rolled', (await response.json()).rolled);
  });
  document.getElementById('brew').addEventListener('click', async () => {
    show('tea', 'drawing …');
    const response = await fetch('/tea', { method: 'POST' });
    const { tea, boiledAt, lumps } = await response.json();
    show('tea', response.ok ? tea + ': boiled at ' + boiledAt + ', lumps of sugar: ' + lumps : 'spilt');
  });
  new EventSource('/ticks').addEventListener('message', (event) => {
    show('tick', new Date(event.data).toLocaleTimeString());
  });
</script>
</html>
`;
