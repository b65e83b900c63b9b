import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { awsSignature, awsTime, scopeText } from './aws-signature.ts';

describe('a signature of AWS', () => {
  it('is that of the example in its documentation', () => {
    const scope = {
      secret: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
      ...{ time: '20150830T123600Z', region: 'us-east-1', service: 'iam' },
    };
    const request = {
      method: 'GET',
      url: new URL('https://iam.amazonaws.com/?Version=2010-05-08&Action=ListUsers'),
      headers: [
        ['content-type', 'application/x-www-form-urlencoded; charset=utf-8'],
        ['host', 'iam.amazonaws.com'],
        ['x-amz-date', scope.time],
      ] as const,
      body: '',
    };
    assert.equal(scopeText(scope), '20150830/us-east-1/iam/aws4_request');
    assert.equal(
      awsSignature(request, scope).toString('hex'),
      '5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7',
    );
  });

  it('has its time to the second', () => {
    assert.equal(awsTime(Date.parse('2015-08-30T12:36:00.999Z')), '20150830T123600Z');
  });
});
