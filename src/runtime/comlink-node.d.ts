// Comlink ships this file without types that NodeNext resolution finds.
declare module 'comlink/dist/esm/node-adapter.mjs' {
  import type { MessagePort } from 'node:worker_threads';
  import type { Endpoint } from 'comlink';

  /** Makes a Node port look like the browser port that Comlink talks to. */
  export default function nodeEndpoint(port: MessagePort): Endpoint;
}
