// A module that never gets loaded.

await new Promise((resolve) => setTimeout(resolve, 2 ** 30));
export default () => 'done';
