import { defineConfig, type ViteUserConfig } from 'vitest/config'

/** Outages of DNS, of the API and of credentials: they wait for limits of time, and for processes that must end. */
const OUTAGES = [
  'test/integration/discovered.test.ts',
  'test/integration/discovery-faults.test.ts',
  'test/integration/discovery/cold-start.test.ts',
  'test/integration/discovery/keeps-nothing-alive.test.ts',
  'test/integration/discovery/unharmed.test.ts',
  'test/integration/discovery/cloud-map/container-credentials.test.ts',
]

/** Tests that start many processes: each takes a second on an idle machine, and twenty times that on a busy one. */
const OF_PROCESSES = {
  testTimeout: 120_000,
  hookTimeout: 120_000,
  expect: { poll: { timeout: 40_000 } },
}

/** What faults add to latencies, latencies beside those of others, and what takes both cores: nothing runs beside them. */
const ALONE = [
  'test/chaos/slowness.test.ts',
  'test/chaos/heap.test.ts',
  'test/peers/bench/load-generator.test.ts',
]

const config: ViteUserConfig = defineConfig({
  // Tests import the package by its name and get its sources, as examples and benchmarks do.
  resolve: { conditions: ['onehop:source'] },
  ssr: { resolve: { conditions: ['onehop:source'] } },
  test: {
    pool: 'forks',
    // The AWS SDK looks for credentials on the network last of all: nothing may leave this machine.
    env: { AWS_EC2_METADATA_DISABLED: 'true' },
    // Integration tests open real sockets on two shared cores: generous bounds, never measurements.
    testTimeout: 30_000,
    hookTimeout: 30_000,
    expect: { poll: { timeout: 10_000 } },
    // They wait for sockets and timers more than they work, and the default leaves a core idle.
    maxWorkers: 3,
    projects: [
      {
        extends: true,
        test: {
          name: 'main',
          include: ['test/**/*.test.ts'],
          exclude: [
            ...OUTAGES,
            ...[
              ...['package', 'fuzz', 'peers', 'chaos', 'contract', 'lifecycle', 'doors'],
              ...[
                'unit/simulation',
                'integration/benchmarks',
                'integration/cli',
                'integration/bench',
                'integration/ecs',
                'integration/testing',
              ],
            ].map((name) => `test/${name}/**`),
          ],
        },
      },
      {
        extends: true,
        test: { name: 'outages', include: OUTAGES },
      },
      {
        extends: true,
        // Run by other versions of Node: all but what no version of Node changes, and the long tests of what all others use.
        test: {
          name: 'versions',
          include: ['test/unit/**/*.test.ts', 'test/integration/**/*.test.ts'],
          exclude: [
            ...['unit/bench', 'unit/cli', 'unit/cluster', 'unit/simulation', 'unit/testing'],
            ...['integration/bench', 'integration/benchmarks', 'integration/cli'],
            ...['integration/testing/local-aws', 'integration/testing/fleet'],
            ...['documents', 'lint-layers', 'observability'].map((name) => `integration/${name}.test.ts`),
          ].map((path) => `test/${path}${path.endsWith('.ts') ? '' : '/**'}`),
        },
      },
      {
        extends: true,
        // CPU-bound, so one worker for each core and nothing beside them.
        test: {
          name: 'simulation',
          include: ['test/unit/simulation/**/*.test.ts', 'test/integration/benchmarks/**/*.test.ts'],
          testTimeout: 120_000,
          maxWorkers: 2,
        },
      },
      {
        extends: true,
        // Each command is a process, and there are a hundred of them.
        test: {
          name: 'cli',
          include: ['test/integration/cli/**/*.test.ts', 'test/integration/bench/**/*.test.ts'],
        },
      },
      {
        extends: true,
        // Registration and shutdown wait for windows and limits more than they work. With the local AWS that they run on.
        test: {
          name: 'ecs',
          include: ['test/integration/ecs/**/*.test.ts', 'test/integration/testing/**/*.test.ts'],
        },
      },
      {
        extends: true,
        test: {
          name: 'contract',
          include: ['test/contract/**/*.test.ts'],
          // Some of them make thousands of calls, for seconds on a machine without other load.
          testTimeout: 120_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'package',
          include: ['test/package/**/*.test.ts'],
          globalSetup: ['test/package/pack.ts'],
          testTimeout: 180_000,
          hookTimeout: 180_000,
        },
      },
      {
        extends: true,
        // `npm run infra:check`: the example's own packages have to be there.
        test: {
          name: 'infrastructure',
          include: ['examples/infrastructure/test/**/*.test.ts'],
          // CDK and the validator's WASM load for seconds in each process.
          testTimeout: 120_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'fuzz',
          include: ['test/fuzz/**/*.test.ts'],
          // All of them together take a tenth of this on a machine without other load.
          testTimeout: 300_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'peers',
          include: ['test/peers/**/*.test.ts'],
          exclude: ALONE,
          // One of several waits of at most 40 s each (`until`).
          testTimeout: 180_000,
          hookTimeout: 60_000,
          // They wait more than they work: for TTLs, and for a server to notice that another is gone.
          maxWorkers: 4,
        },
      },
      {
        extends: true,
        // Deployments of real processes under load: two at a time fill two cores.
        test: {
          name: 'lifecycle',
          include: ['test/lifecycle/**/*.test.ts'],
          globalSetup: ['test/lifecycle/install.ts'],
          ...OF_PROCESSES,
          maxWorkers: 2,
          sequence: { groupOrder: 3 },
        },
      },
      {
        extends: true,
        // Libraries of others, through the doors, under a fault.
        // The peer of onehop/grpc, as an app has it.
        resolve: {
          alias: {
            '@grpc/grpc-js': `${import.meta.dirname}/test/doors/grpc/packages/node_modules/@grpc/grpc-js`,
          },
        },
        test: {
          name: 'doors',
          include: ['test/doors/**/*.test.ts'],
          globalSetup: ['test/doors/install.ts'],
          // gRPC's own `dns` resolver asks the server of its target only with this.
          env: { AWS_EC2_METADATA_DISABLED: 'true', GRPC_NODE_USE_ALTERNATIVE_RESOLVER: 'true' },
          ...OF_PROCESSES,
          maxWorkers: 2,
          sequence: { groupOrder: 4 },
        },
      },
      {
        extends: true,
        // What fails under faults; each load takes a twentieth of a core. After the projects of no group.
        test: {
          name: 'chaos',
          include: ['test/chaos/**/*.test.ts'],
          exclude: ALONE,
          // A run takes up to 25 s, and is played again where the machine let it stand still (`holds`).
          testTimeout: 300_000,
          maxWorkers: 3,
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          name: 'alone',
          include: ALONE,
          testTimeout: 300_000,
          maxWorkers: 1,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
})

export default config
