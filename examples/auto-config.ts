import type { AutoConfig } from 'onehop/auto'

const config: AutoConfig = {
  namespaces: ['shop.local'],
  port: 8080,
  timeouts: { attemptMs: 5_000 },
  services: {
    'orders.shop.local': { hedge: true, fallback: 'http://internal-orders-1.eu-west-1.elb.amazonaws.com' },
  },
}

export default config
