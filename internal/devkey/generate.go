package devkey

import (
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"math/big"
)

// primeBits makes 2048-bit keys of two primes.
const primeBits = 1024

// generate makes an RSA key with our exponent, which rsa.GenerateKey does not
// offer. It is textbook key generation, checked by the standard library
// (Validate); good for development, not meant for anything else.
func generate() (*rsa.PrivateKey, error) {
	p, err := prime()
	if err != nil {
		return nil, err
	}
	q, err := prime()
	if err != nil {
		return nil, err
	}
	key := &rsa.PrivateKey{
		PublicKey: rsa.PublicKey{N: new(big.Int).Mul(p, q), E: Exponent},
		D:         new(big.Int).ModInverse(big.NewInt(Exponent), totient(p, q)),
		Primes:    []*big.Int{p, q},
	}
	key.Precompute()
	if err := key.Validate(); err != nil {
		return nil, fmt.Errorf("generated key: %w", err)
	}
	return key, nil
}

// prime is a random prime p for which the exponent has an inverse modulo p-1.
func prime() (*big.Int, error) {
	for {
		p, err := rand.Prime(rand.Reader, primeBits)
		if err != nil {
			return nil, err
		}
		rest := new(big.Int).Mod(new(big.Int).Sub(p, one()), big.NewInt(Exponent))
		if rest.Sign() != 0 {
			return p, nil
		}
	}
}

func totient(p, q *big.Int) *big.Int {
	return new(big.Int).Mul(new(big.Int).Sub(p, one()), new(big.Int).Sub(q, one()))
}

func one() *big.Int { return big.NewInt(1) }
