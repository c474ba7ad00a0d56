export { FileCheckpointStore } from './file-store.ts';
