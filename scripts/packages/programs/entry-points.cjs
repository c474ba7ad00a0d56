// Loads the given entry points by require and by import, which have to return the same exports.
const assert = require('node:assert/strict');

async function main() {
  for (const entry of process.argv.slice(2)) {
    const required = Object.keys(require(entry)).sort();
    const imported = Object.keys(await import(entry)).sort();
    assert.ok(imported.length > 0, `${entry} exports nothing`);
    assert.deepEqual(required, imported, entry);
  }
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
