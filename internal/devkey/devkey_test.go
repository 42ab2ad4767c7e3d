package devkey_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/ai-dj/segue/internal/devkey"
)

func TestTheKeyIsKeptForItsOwnerAlone(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new", "segue")
	first, err := devkey.LoadOrCreate(dir)
	if err != nil {
		t.Fatal(err)
	}
	again, err := devkey.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if first.PublicPEM() != again.PublicPEM() {
		t.Error("the key changed between two loads")
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 1 {
		t.Fatalf("%d files in the key's directory, want 1", len(entries))
	}
	info, err := entries[0].Info()
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, want 0600", info.Mode().Perm())
	}
}

func TestProcessesThatStartTogetherShareOneKey(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	keys := make([]string, 4)
	var wg sync.WaitGroup
	for i := range keys {
		wg.Go(func() {
			key, err := devkey.LoadOrCreate(dir)
			if err != nil {
				t.Error(err)
				return
			}
			keys[i] = key.PublicPEM()
		})
	}
	wg.Wait()
	for _, key := range keys {
		if key != keys[0] {
			t.Fatal("two keys were handed out")
		}
	}
}

func TestLoadSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := devkey.Load(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no key: %v, want fs.ErrNotExist", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "development-key.pem"), []byte("junk"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := devkey.LoadOrCreate(dir); err == nil {
		t.Error("a damaged key was accepted or silently replaced")
	}
}

func TestMintRefusesWhatClerkWouldNotMint(t *testing.T) {
	t.Parallel()
	key, err := devkey.LoadOrCreate(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := key.Mint("alice", false, 0); !errors.Is(err, devkey.ErrUser) {
		t.Errorf("got %v, want ErrUser", err)
	}
}
