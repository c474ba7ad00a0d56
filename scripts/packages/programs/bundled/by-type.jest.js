import { publishAndReceive } from './by-type.mjs';

test('the bus finds an engine by its type', async () => {
  expect(await publishAndReceive()).toEqual(['u1']);
});
