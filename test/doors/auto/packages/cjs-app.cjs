const { load } = require('./under-load.cjs')
const { waysOf } = require('./ways.cjs')

void load(
  waysOf({
    axios: require('axios'),
    got: require('got').default,
    smithy: require('@smithy/node-http-handler'),
    protocol: require('@smithy/protocol-http'),
    undici6: require('undici6'),
    undici7: require('undici7'),
    undici8: require('undici8'),
  }),
)
