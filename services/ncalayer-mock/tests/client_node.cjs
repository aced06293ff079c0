// What a program does with the unmodified client: node client_node.cjs URL. Prints what it got, as JSON.
const { createHash } = require('crypto');
const { NCALayerClient: Client } = require(`${process.env.CLIENT}/ncalayer-client.js`);

async function attempt(work) {
  try {
    return await work();
  } catch (error) {
    return { error: error.message, canceled: error.canceledByUser === true };
  }
}

async function main() {
  const client = new Client(process.argv[2]);
  const any = Client.basicsStorageAll;
  const sign = Client.basicsSignerSignAny;
  const got = { version: await client.connect(), isKmd: client.isKmd };
  got.tokens = await client.getActiveTokens();
  got.info = await client.getKeyInfo(Client.fileStorageType);
  got.cms = await client.basicsSignCMS(any, 'MTEK', Client.basicsCMSParamsDetached, sign);
  got.attached = await client.basicsSignCMS(any, 'MTEK', { ...Client.basicsCMSParamsDetachedNoTSP, encapsulate: true }, sign);
  got.several = await client.basicsSignCMS(any, ['MTEK', 'MTIK'], Client.basicsCMSParamsDetachedNoTSP, sign);
  const hash = createHash('sha256').update('11\n').digest('base64');
  got.hashed = await client.basicsSignCMS(any, hash, Client.basicsCMSParamsDetachedHash, sign);
  got.olderHashed = await client.createCAdESFromBase64Hash('PKCS12', hash);
  got.xml = await client.basicsSignXML(any, '<tag>data</tag>', Client.basicsXMLParams, sign);
  got.cades = await client.createCAdESFromBase64('PKCS12', 'MTEK');
  got.older = await client.createCMSSignatureFromBase64('PKCS12', 'MTEK');
  got.olderXml = await client.signXml('PKCS12', '<tag>data</tag>');
  got.olderXmls = await client.signXmls('PKCS12', ['<a/>', '<b/>']);
  got.locale = await client.changeLocale('kz');
  got.wrong = await attempt(() => client.getKeyInfo(1));
  got.invalid = await attempt(() => client.basicsSignCMS(any, 'MTEK', 555, sign));
  got.nobody = await attempt(() => client.basicsSignCMS(Client.basicsStorageKAZTOKEN, 'MTEK', {}, sign));
  process.stdout.write(JSON.stringify(got));
  process.exit(0); // without a close frame, as pages leave
}

main().catch((error) => { process.stdout.write(JSON.stringify({ error: error.message })); process.exit(1); });
