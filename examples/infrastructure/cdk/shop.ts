import { App, type AppProps } from 'aws-cdk-lib'
import { region } from './parts/settings.ts'
import { BalancedStack } from './stacks/balanced.ts'
import { BenchStack } from './stacks/bench.ts'
import { CallerStack } from './stacks/caller.ts'
import { DiscoveredStack } from './stacks/discovered.ts'
import { NetworkStack } from './stacks/network.ts'
import { ReaperStack } from './stacks/reaper.ts'
import { RegisteringStack } from './stacks/registering.ts'
import { RunTaskStack } from './stacks/run-task.ts'

/** All stacks of the example. Deploy those that you want; CDK adds the stacks that they need. */
export function shop(props?: AppProps): App {
  const app = new App({
    analyticsReporting: false,
    treeMetadata: false,
    context: {
      // A finding of AWS's validator ends the synthesis.
      '@aws-cdk/core:validateAgainstDefaultRules': true,
      // Exports and imports: CloudFormation keeps a stack that another one still needs.
      '@aws-cdk/core:defaultCrossStackReferences': 'strong',
    },
    ...props,
  })
  // Without an account: the templates are the same for all of them, and need no look-ups.
  const env = { region }
  const network = new NetworkStack(app, 'shop-network', { env })
  const orders = new DiscoveredStack(app, 'shop-orders', { env, network })
  const stock = new RegisteringStack(app, 'shop-stock', { env, network })
  const reports = new RunTaskStack(app, 'shop-reports', { env, network })
  new BalancedStack(app, 'shop-payments', { env, network, balancer: 'alb' })
  new BalancedStack(app, 'shop-payments-nlb', { env, network, balancer: 'nlb' })
  new CallerStack(app, 'shop-web', { env, network, fallback: orders.fallback })
  new ReaperStack(app, 'shop-reaper', { env, network, services: [reports.service, stock.service] })
  new BenchStack(app, 'shop-bench', { env, network, fallback: orders.fallback })
  return app
}
