import { benchFlags } from './bench/flags.ts'
import { define, type Command } from './command.ts'
import { withoutQuery } from './options/request-parts.ts'

const bench: Command = define({
  operands: { name: 'URL', min: 1, max: 1, shown: withoutQuery },
  description: [
    'Calls the service directly and through its load balancer, in random order and on a schedule, and reports the difference',
    'in ms with intervals, and in dollars. A second copy of one arm shows whether the method works here. docs/bench.md',
    'describes the method. Run it where the caller runs: on a task with at least 1 vCPU.',
  ].join('\n'),
  options: benchFlags,
  examples: [
    {
      line: 'onehop bench http://orders.shop.local:8080/health --fallback http://internal-orders.eu-west-1.elb.amazonaws.com --html report.html',
      does: 'direct against an ALB for five minutes, with a page to keep',
    },
    {
      line: "onehop bench http://orders.shop.local/ --fallback https://orders.example.com --assert 'p99(direct) <= 1.05 * p99(fallback)'",
      does: 'exit code 1 if the direct path is slower by more than 5 %',
    },
    {
      line: 'onehop bench http://orders.shop.local/ --fallback http://alb.example.com --calls-per-second 5000 --callers 40',
      does: 'the cost for your own volume',
    },
  ],
  async run(args, io) {
    // The help loads neither the library nor undici.
    const { measure } = await import('./bench/measure.ts')
    return measure(args, io)
  },
})

export default bench
