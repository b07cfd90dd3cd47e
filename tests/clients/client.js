// `node client.js URL USER:SECRET`: Node's fetch, and its http module where fetch cannot say it.
const http = require('http');

const [base, pair] = process.argv.slice(2);
const headers = { Authorization: 'Basic ' + Buffer.from(pair).toString('base64') };

const ask = async (path, options = {}) => {
  const answer = await fetch(base + path, { headers, ...options });
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer;
};

const stream = () => new ReadableStream({
  start(controller) {
    for (const word of ['piece ', 'by ', 'piece']) controller.enqueue(Buffer.from(word));
    controller.close();
  },
});

const expecting = () => new Promise((resolve, reject) => {
  const more = { Expect: '100-continue', 'Content-Length': 5 };
  const options = { method: 'POST', headers: { ...headers, ...more } };
  const request = http.request(base + '/echo', options);
  let continued = false;
  request.on('continue', () => { continued = true; request.end('hello'); });
  request.on('error', reject);
  request.on('response', async (answer) => {
    let text = '';
    for await (const piece of answer) text += piece;
    resolve({ ...JSON.parse(text), continued });
  });
  request.flushHeaders();
});

(async () => {
  const said = {
    get: await (await ask('/echo')).json(),
    post: await (await ask('/echo', { method: 'POST', body: 'hello' })).json(),
    chunked: await (await ask('/echo', { method: 'PUT', body: stream(), duplex: 'half' })).json(),
    large: (await (await ask('/large')).arrayBuffer()).byteLength,
    expecting: await expecting(),
  };
  console.log(JSON.stringify(said));
})();
