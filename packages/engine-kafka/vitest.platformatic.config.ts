import { defineProject, mergeConfig } from 'vitest/config';
import config from './vitest.config.ts';

/** The tests of the engine with `client: 'platformatic'`, except those of parts that use no client. */
export default mergeConfig(
  config,
  defineProject({
    test: {
      name: 'engine-kafka-platformatic',
      env: { POLYBUS_KAFKA_CLIENT: 'platformatic' },
      exclude: [
        '**/node_modules/**',
        'test/options/**',
        'test/client/{catalog,fetch-answers,partitioner,platformatic}.test.ts',
        'test/group/{assigned-partition,assignment,committed-offsets,dispatcher,membership,metadata,simulated,start-offsets,topics}.test.ts',
        'test/read/{decode,listening,reader,unread}.test.ts',
      ],
    },
  }),
);
