// Package devkey keeps this machine's development key: the RSA key whose tokens
// `segue dev` trusts and `segue token` mints. It is made on the first start, in
// the user's cache directory, and no copy of it is in the program.
//
// Development keys can be told from any other by their public half alone: their
// public exponent is Exponent, where Clerk's keys, as nearly all in the world,
// have 65537. So internal/auth can refuse every development key of every machine,
// whatever a token says of itself, and `segue serve` does.
package devkey

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Exponent is the public exponent of development keys: the prime after 65537.
const Exponent = 65539

// Is reports whether key is the public half of a development key.
func Is(key *rsa.PublicKey) bool { return key.E == Exponent }

// Key is a development key.
type Key struct {
	private *rsa.PrivateKey
}

// file is the key's name in its directory. Its owner alone may read it.
const file = "development-key.pem"

// Load reads the key kept in dir. The error is fs.ErrNotExist where there is none yet.
func Load(dir string) (*Key, error) {
	text, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		return nil, fmt.Errorf("read the development key: %w", err)
	}
	key, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s is damaged, delete it to have a new one made: %w", filepath.Join(dir, file), err)
	}
	return key, nil
}

// LoadOrCreate is Load, making dir and the key first where they are missing.
// Of several processes that do so at once, all end up with the same key.
func LoadOrCreate(dir string) (*Key, error) {
	key, err := Load(dir)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if err := create(dir); err != nil {
		return nil, fmt.Errorf("make the development key: %w", err)
	}
	return Load(dir)
}

// PublicPEM is the public half, in the form of CLERK_JWT_KEY.
func (k *Key) PublicPEM() string {
	der, err := x509.MarshalPKIXPublicKey(&k.private.PublicKey)
	if err != nil {
		panic(err) // cannot be: it is an RSA key
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func parse(text []byte) (*Key, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("no PEM block")
	}
	private, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	if !Is(&private.PublicKey) {
		return nil, fmt.Errorf("its public exponent is %d, not %d", private.E, Exponent)
	}
	return &Key{private}, nil
}

// create writes a new key beside its place and links it in, which fails
// harmlessly when another process was faster.
func create(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	private, err := generate()
	if err != nil {
		return err
	}
	temporary, err := os.CreateTemp(dir, file+".*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(temporary.Name())
	block := &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(private)}
	if err := errors.Join(pem.Encode(temporary, block), temporary.Close()); err != nil {
		return err
	}
	err = os.Link(temporary.Name(), filepath.Join(dir, file))
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}
