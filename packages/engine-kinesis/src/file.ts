export { FileCheckpointStore } from './stores/file-store.ts';
