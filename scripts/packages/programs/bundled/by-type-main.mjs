import { publishAndReceive } from './by-type.mjs';

// No top-level await, which CommonJS does not have.
publishAndReceive().then(
  (received) => console.log(`received ${received.join()}`),
  (error) => console.log(error.message),
);
