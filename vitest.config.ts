import { defineConfig, type ViteUserConfig } from 'vitest/config'

const config: ViteUserConfig = defineConfig({
  // Tests import the package by its name and get its sources, as examples and benchmarks do.
  resolve: { conditions: ['onehop:source'] },
  ssr: { resolve: { conditions: ['onehop:source'] } },
  test: {
    include: ['test/**/*.test.ts'],
    // Integration tests open real sockets on two shared cores: a generous bound, never a measurement.
    testTimeout: 30_000,
    hookTimeout: 30_000,
    pool: 'forks',
  },
})

export default config
