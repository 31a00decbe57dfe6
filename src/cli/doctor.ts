import { define, type Command } from './command.ts'
import { callFlags, discoveryFlags, json } from './options/client-flags.ts'
import { number } from './options/option.ts'

const doctor: Command = define({
  operands: { name: 'HOST', min: 1, max: Number.POSITIVE_INFINITY },
  description: `Checks all that calls to a service depend on, from the place where it runs: task metadata and zone, credentials and both
IAM actions, DNS with its TTLs, a connection with TLS and a HEAD request to each task, the load balancer, clocks, file
descriptors, proxies. Each finding has its cause, and what to do. Exits with 1 if there is a finding.
HOST may be a URL: its scheme, port and path are those of the calls, e.g. https://orders.shop.local:8443/health`,
  options: {
    ...discoveryFlags,
    ...callFlags,
    timeout: number('MS', 'for each question and connection [3000]', {
      default: 3_000,
      min: 1,
      max: 600_000,
    }),
    json,
  },
  examples: [
    {
      line: 'onehop doctor http://orders.shop.local:8080/health',
      does: 'in a task of the caller, e.g. by ECS Exec',
    },
    {
      line: 'onehop doctor --fallback https://orders.example.com https://orders.shop.local https://billing.shop.local',
      does: 'several services, with their load balancer',
    },
    { line: "onehop doctor --json orders.shop.local | jq '.checks[].findings[].id'", does: 'for programs' },
  ],
  async run({ options, operands }, io) {
    const { examine } = await import('./doctor/examine.ts')
    return examine(operands, options, io)
  },
})

export default doctor
