import express from 'express';

const app = express();

app.get('/', (_request, response) => {
  response.send('Hello from Express!');
});

app.get('/hello/:name', (request, response) => {
  response.json({ message: `Hello, ${request.params.name}!` });
});

// No port is opened: Lambent passes requests to the app directly.
app.listen(3000);
