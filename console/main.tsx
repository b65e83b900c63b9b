/*
 * The console: the control API in a browser. It shows only what the API tells and does only what the API offers, so
 * whatever is done here can be done by the CLI or a program as well.
 *
 * Guaranteed: all that comes from functions, events and people is shown as text, never as markup (the page's policy
 * forbids even the means); no request leaves this server; what destroys something asks first and says what happens;
 * when the server stops answering the page says so and keeps what it has.
 * Deliberately absent: state of its own. What is filtered and open is in the address, so it can be shared; the theme
 * and the last test events are kept in this browser.
 */
import { QueryClientProvider } from '@tanstack/react-query';
import { createRoot } from 'react-dom/client';
import { App } from './app.tsx';
import { queryClient } from './query-client.ts';
import { applyTheme } from './theme.ts';

applyTheme();
createRoot(document.getElementById('root')!).render(
  <QueryClientProvider client={queryClient}>
    <App />
  </QueryClientProvider>,
);
